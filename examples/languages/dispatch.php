<?php
// php dispatch.php LISTING_ID: counts a view in the background, in the transaction of whatever else is written.
declare(strict_types=1);

// DATABASE_DSN as PDO wants it: pgsql:host=localhost;port=5432;dbname=shop;user=web;password=...
$database = new PDO(getenv('DATABASE_DSN'), options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);

$database->beginTransaction();
$statement = $database->prepare('SELECT forecourt.dispatch(:job, CAST(:args AS jsonb))');
$statement->execute(['job' => 'increment_views_count', 'args' => json_encode(['listing_id' => (int) $argv[1]])]);
$call = $statement->fetchColumn();
$database->commit();  // until here nobody sees the call; a rollback forgets it

echo $call, PHP_EOL;

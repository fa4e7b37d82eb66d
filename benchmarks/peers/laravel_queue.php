<?php
/**
 * Laravel's queue with its database driver: `produce` takes the orders that producer.py takes, `work` is what
 * `queue:work` runs. Only its components are used, without an application around them, which spares it some time.
 */

use Illuminate\Bus\Dispatcher as Bus;
use Illuminate\Container\Container;
use Illuminate\Contracts\Bus\Dispatcher as BusContract;
use Illuminate\Contracts\Container\Container as ContainerContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Events\Dispatcher as EventsContract;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Database\Capsule\Manager as Database;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Events\Dispatcher as Events;
use Illuminate\Foundation\Application;
use Illuminate\Queue\Capsule\Manager as Queue;
use Illuminate\Queue\Connectors\DatabaseConnector;
use Illuminate\Queue\Worker;
use Illuminate\Queue\WorkerOptions;

const AUTOLOAD = '/usr/share/php/Illuminate/autoload.php';

if (! is_file(AUTOLOAD) || ! extension_loaded('pdo_pgsql')) {
    fwrite(STDERR, "not installed: apt-get install php-cli php-pgsql php-laravel-framework\n");
    exit(1);
}
require AUTOLOAD;

const SETTINGS = "queue:work's loop and defaults (sleep 3 s), database driver, jobs that are done deleted";

function mark(string $bytes): void
{
    static $marks = null;
    $marks ??= fopen(getenv('BENCHMARK_MARKS'), 'a');
    fwrite($marks, $bytes);
    fflush($marks);
}

abstract class Job implements ShouldQueue
{
    public function __construct(public int $argument)
    {
    }
}

class Nothing extends Job
{
    public function handle(): void
    {
        mark('.');
    }
}

class IncrementViews extends Job
{
    public function handle(): void
    {
        Database::table('car_listings')->where('id', $this->argument)->increment('views_count');
        mark('.');
    }
}

class Stamp extends Job
{
    public function handle(): void
    {
        mark(pack('q', hrtime(true) - $this->argument));
    }
}

const JOBS = ['nothing' => Nothing::class, 'increment_views' => IncrementViews::class, 'stamp' => Stamp::class];

class Loud implements ExceptionHandler
{
    public function report(Throwable $e): void
    {
        fwrite(STDERR, $e . "\n");
    }

    public function shouldReport(Throwable $e): bool
    {
        return true;
    }

    public function render($request, Throwable $e)
    {
        throw $e;
    }

    public function renderForConsole($output, Throwable $e): void
    {
        throw $e;
    }
}

function queue(): Queue
{
    preg_match('~//(?<user>[^@]*)@/(?<database>\w+)\?host=(?<host>[^&]*)&port=(?<port>\d+)~', getenv('BENCHMARK_DATABASE'), $url);
    $container = Container::getInstance();
    $database = new Database($container);
    $database->addConnection([
        'driver' => 'pgsql',
        'host' => urldecode($url['host']),
        'port' => $url['port'],
        'database' => $url['database'],
        'username' => $url['user'],
        'password' => '',
        'charset' => 'utf8',
    ]);
    $database->setAsGlobal();
    $container->instance('events', new Events($container));
    $container->alias('events', EventsContract::class);
    $container->instance(ContainerContract::class, $container);
    $container->singleton(BusContract::class, fn ($container) => new Bus($container));
    $queue = new Queue($container);
    $queue->getQueueManager()->addConnector('database', fn () => new DatabaseConnector($database->getDatabaseManager()));
    $queue->addConnection(['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90]);
    return $queue;
}

function work(): void
{
    $queue = queue();
    $events = Container::getInstance()->make('events');
    $worker = new Worker($queue->getQueueManager(), $events, new Loud(), fn () => false);
    $worker->daemon('default', 'default', new WorkerOptions());
}

function prepare(): array
{
    Database::schema()->create('jobs', function (Blueprint $table) {
        $table->bigIncrements('id');
        $table->string('queue')->index();
        $table->longText('payload');
        $table->unsignedTinyInteger('attempts');
        $table->unsignedInteger('reserved_at')->nullable();
        $table->unsignedInteger('available_at');
        $table->unsignedInteger('created_at');
    });
    return ['settings' => Application::VERSION . ', ' . SETTINGS];
}

function argument(string $job, int $n): int
{
    return $job === 'increment_views' ? 1 + $n % (int) getenv('BENCHMARK_LISTINGS') : $n;
}

function job(string $name, int $argument): Job
{
    return new (JOBS[$name])($argument);
}

function fill(Queue $queue, string $job, int $count): void
{
    foreach (array_chunk(range(0, $count - 1), 1000) as $numbers) {
        $queue->getConnection()->bulk(array_map(fn ($n) => job($job, argument($job, $n)), $numbers));
    }
}

function one_by_one(Queue $queue, string $job, int $count): float
{
    $queue->getConnection()->push(job($job, argument($job, 0)));
    $begun = hrtime(true);
    for ($n = 0; $n < $count; $n++) {
        $queue->getConnection()->push(job($job, argument($job, $n)));
    }
    return (hrtime(true) - $begun) / 1e9;
}

function stamps(Queue $queue, array $pauses): void
{
    foreach ($pauses as $pause) {
        usleep((int) ($pause * 1e6));
        $queue->getConnection()->push(job('stamp', hrtime(true)));
    }
}

function produce(): void
{
    $queue = null;
    while (($line = fgets(STDIN)) !== false) {
        $queue ??= queue();
        $order = json_decode($line, true);
        $answer = match ($order['do']) {
            'prepare' => prepare(),
            'commands' => array_fill(0, $order['processes'], [PHP_BINARY, __FILE__, 'work']),
            'fill' => fill($queue, $order['job'], $order['count']),
            'one_by_one' => one_by_one($queue, $order['job'], $order['count']),
            'stamps' => stamps($queue, $order['pauses']),
        };
        echo json_encode($answer), "\n";
    }
}

$argv[1] === 'work' ? work() : produce();

// node dispatch.js LISTING_ID: counts a view in the background. npm install pg
const { Client } = require("pg");

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query("SELECT forecourt.dispatch($1, $2) AS call", [
      "increment_views_count",
      JSON.stringify({ listing_id: Number(process.argv[2]) }),
    ]);
    await client.query("COMMIT"); // until here nobody sees the call; a ROLLBACK forgets it
    console.log(rows[0].call);
  } finally {
    await client.end();
  }
}

main();

/**
 * Graphile Worker: `produce` takes the orders that producer.py takes, `work` is one worker process. What is done is deleted,
 * which is the only thing that it can do.
 */

process.env.NO_LOG_SUCCESS = '1'; // as its performance test

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');

const installed = require('node:module').createRequire(path.join(__dirname, '../../.bench/package.json'));
try {
    installed.resolve('graphile-worker');
} catch {
    console.error('not installed: python -m benchmarks.peers');
    process.exit(1);
}
const { Logger, WorkerPreset, makeWorkerUtils, run } = installed('graphile-worker');
const { Pool } = installed('pg');
const { version } = installed('graphile-worker/package.json');

const CONCURRENCY = 100;
const LOCAL_QUEUE = 500;
const SETTINGS =
    `concurrency ${CONCURRENCY}, local queue ${LOCAL_QUEUE} and batched completion without a delay, as its performance ` +
    'test; jobs that are done are deleted';

const database = process.env.BENCHMARK_DATABASE;
const UPDATE = { name: 'update', text: 'UPDATE car_listings SET views_count = views_count + 1 WHERE id = $1' };

const FILL = `
SELECT count(*)
FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_recordset(NULL::graphile_worker.job_spec, $1::json)
))`;

function tasks() {
    const marks = fs.openSync(process.env.BENCHMARK_MARKS, 'a');
    const dot = Buffer.from('.');
    const pool = new Pool({ connectionString: database, max: Number(process.env.BENCHMARK_CONNECTIONS) });
    return {
        nothing() {
            fs.writeSync(marks, dot);
        },
        async increment_views({ argument }) {
            await pool.query({ ...UPDATE, values: [argument] });
            fs.writeSync(marks, dot);
        },
        async wait() {
            await sleep(50);
            fs.writeSync(marks, dot);
        },
        stamp({ argument }) {
            const bytes = Buffer.alloc(8);
            bytes.writeBigInt64LE(process.hrtime.bigint() - BigInt(argument));
            fs.writeSync(marks, bytes);
        },
    };
}

async function work() {
    const runner = await run({
        logger: new Logger(() => (level, message) => level === 'error' && console.error(message)),
        taskList: tasks(),
        preset: {
            extends: [WorkerPreset],
            worker: {
                connectionString: database,
                concurrentJobs: CONCURRENCY,
                localQueue: { size: LOCAL_QUEUE },
                completeJobBatchDelay: 0,
                failJobBatchDelay: 0,
            },
        },
    });
    await runner.promise;
}

function argument(job, n) {
    return job === 'increment_views' ? 1 + (n % Number(process.env.BENCHMARK_LISTINGS)) : n;
}

function orders() {
    let utils;
    const pool = new Pool({ connectionString: database, max: 1 });
    const add = (job, value) => utils.addJob(job, { argument: value });
    return {
        async prepare() {
            utils = await makeWorkerUtils({ pgPool: pool });
            await utils.migrate();
            return { settings: `${version}, ${SETTINGS}` };
        },
        commands({ processes }) {
            return Array(processes).fill([process.execPath, __filename, 'work']);
        },
        async fill({ job, count }) {
            const specs = Array.from({ length: count }, (_, n) => ({
                identifier: job,
                payload: { argument: argument(job, n) },
            }));
            await pool.query(FILL, [JSON.stringify(specs)]);
        },
        async one_by_one({ job, count }) {
            await add(job, argument(job, 0));
            const begun = process.hrtime.bigint();
            for (let n = 0; n < count; n++) {
                await add(job, argument(job, n));
            }
            return Number(process.hrtime.bigint() - begun) / 1e9;
        },
        async stamps({ pauses }) {
            for (const pause of pauses) {
                await sleep(1000 * pause);
                await add('stamp', String(process.hrtime.bigint()));
            }
        },
    };
}

async function produce() {
    const known = orders();
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { do: what, ...how } = JSON.parse(line);
        const answer = await known[what](how);
        console.log(JSON.stringify(answer ?? null));
    }
    process.exit();
}

process.argv[2] === 'work' ? work() : produce();

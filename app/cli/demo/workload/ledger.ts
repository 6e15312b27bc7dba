/**
 * A database with one transaction after another. A row counts as acknowledged when COMMIT has returned; only
 * then is it recorded.
 *
 * SQLite's rollback journal with synchronous=FULL and journal_mode=TRUNCATE: COMMIT returns after the fsync
 * of the database and then of the emptied journal, so that no power cut takes the row back
 * (https://sqlite.org/pragma.html). The library's VFS calls fs.fsyncSync for each xSync (`_nodejsSync` in its
 * dist/node-sqlite3-wasm.js).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import type { Database } from 'node-sqlite3-wasm';
import * as z from 'zod';
import { present } from '../../../base/error.ts';
import type { Phase, RowRecord } from '../acknowledged.ts';
import { RecordLog, sha256Of } from '../acknowledged.ts';
import { ledgerFolder, ledgerPath } from '../ledger-layout.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Actor, ActorSetting } from './actor.ts';

const payloadBytesMax = 512;
const countSchema = z.object({ count: z.int() });

export class Ledger implements Actor {
  readonly #setting: ActorSetting;
  readonly #log: RecordLog<RowRecord>;
  readonly #random = new SeededRandom('ledger');
  #database: Database | undefined;
  #phase: Phase = 'before';
  #rowCount = 0;

  constructor(setting: ActorSetting) {
    this.#setting = setting;
    this.#log = new RecordLog(setting.recordPath);
  }

  open(phase: Phase): void {
    const { volume } = this.#setting;
    mkdirSync(join(volume, ledgerFolder), { recursive: true });
    this.#phase = phase;
    this.#database = new sqlite.Database(join(volume, ledgerPath));
    this.#database.exec('PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL');
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS entries (row INTEGER PRIMARY KEY, payload TEXT NOT NULL)',
    );
    const { count } = countSchema.parse(this.#database.get('SELECT count(*) AS count FROM entries'));
    if (count !== this.#rowCount) {
      throw new Error(`${ledgerPath} has ${count} rows, but ${this.#rowCount} were acknowledged`);
    }
  }

  step(): void {
    const database = present(this.#database, 'the open database');
    const row = this.#rowCount + 1;
    const payload = this.#random.bytes(1 + this.#random.integerBelow(payloadBytesMax)).toString('base64');
    this.#setting.timed(() => {
      database.exec('BEGIN');
      database.run('INSERT INTO entries (row, payload) VALUES (?, ?)', [row, payload]);
      database.exec('COMMIT');
    });
    this.#rowCount = row;
    this.#log.add({ row, phase: this.#phase, sha256: sha256Of(payload) });
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}

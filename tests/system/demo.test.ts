/**
 * The demo: its workload and its checks on a volume that is carried over by plain copies of the image, the
 * same checks on every kind of damage that they are there to find, and then the whole demo, to its end and
 * interrupted.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import sqlite from 'node-sqlite3-wasm';
import type { Database } from 'node-sqlite3-wasm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import * as z from 'zod';
import { mebibyte } from '../../app/base/units.ts';
import type { FileContent, RowRecord } from '../../app/cli/demo/acknowledged.ts';
import {
  expectedFiles,
  fileRecordSchema,
  phases,
  readRecords,
  rowRecordSchema,
} from '../../app/cli/demo/acknowledged.ts';
import { checkFiles, checkFileSystem, checkMount, checkRows, rowCounts } from '../../app/cli/demo/checks.ts';
import { writeFileTree } from '../../app/cli/demo/file-tree.ts';
import { ledgerPath } from '../../app/cli/demo/ledger-layout.ts';
import { mustRun, runProgram } from '../../app/cli/demo/programs.ts';
import { Stage } from '../../app/cli/demo/stage.ts';
import { Workload } from '../../app/cli/demo/workload.ts';
import type { WorkloadFigures } from '../../app/cli/demo/workload/cells.ts';
import { fileRecordNames, rowRecordName, treeRecordName } from '../../app/cli/demo/workload/setting.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const sizeBytes = 96 * mebibyte;
const runMs = 1500;
const commandPath = fileURLToPath(new URL('../../build/app/cli/main.js', import.meta.url));

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe.skipIf(!isRoot)('the workload of the demo and its checks (need root)', () => {
  const failures: Error[] = [];
  let stage: Stage;
  let workload: Workload;
  let source: string;
  let middle: string;
  let destination: string;
  let files: ReadonlyMap<string, FileContent>;
  let rows: RowRecord[];
  let figures: WorkloadFigures;

  /** Long enough for every actor; and the database, the slowest, has had a row acknowledged. */
  async function letRun(bytesBefore: number): Promise<void> {
    await sleep(runMs);
    await waitUntil('a row is acknowledged', () => rowRecordBytes() > bytesBefore);
  }

  function rowRecordBytes(): number {
    const path = join(stage.records, rowRecordName);
    return existsSync(path) ? statSync(path).size : 0;
  }

  /** Stops the workload, copies one disk to the next, and starts it there. */
  async function carryOver(from: string, to: string): Promise<void> {
    await mustRun('sh', ['-c', workload.stopCommand]);
    await stage.unmount();
    await mustRun('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'conv=fsync']);
    await stage.mount(to);
    const bytesBefore = rowRecordBytes();
    await mustRun('sh', ['-c', workload.startCommand]);
    await letRun(bytesBefore);
  }

  beforeAll(async () => {
    stage = await Stage.make(sizeBytes);
    source = await stage.makeDisk('source', sizeBytes);
    middle = await stage.makeDisk('middle', sizeBytes);
    destination = await stage.makeDisk('destination', sizeBytes);
    await mustRun('mkfs.ext4', ['-q', source]);
    await stage.mount(source);
    writeFileTree(stage.volume, join(stage.records, treeRecordName), 8 * mebibyte);

    const { volume, records: directory } = stage;
    const setting = { sourceDevice: source, destinationDevice: destination, volume, directory };
    workload = await Workload.make(setting, (error) => failures.push(error));
    await workload.start();
    await letRun(0);
    await carryOver(source, middle);
    await carryOver(middle, destination);
    figures = await workload.stop();

    const read = (name: string): string => join(stage.records, name);
    files = expectedFiles(fileRecordNames.flatMap((name) => readRecords(read(name), fileRecordSchema)));
    rows = readRecords(read(rowRecordName), rowRecordSchema);
  });

  afterAll(async () => {
    await workload.end();
    await stage.clear();
    expect(existsSync(stage.directory)).toBe(false);
  });

  it('acknowledges files and rows in each phase, on the device of that phase', async () => {
    expect(failures).toEqual([]);
    const devices = await Promise.all(phases.map((phase) => workload.deviceIn(phase)));
    expect(devices).toEqual([source, middle, destination]);
    const counts = rowCounts(rows);
    for (const phase of phases) {
      expect(counts[phase]).toBeGreaterThan(0);
      expect(figures[phase].operations).toBeGreaterThan(counts[phase]);
      expect(figures[phase].longestStallMs).toBeGreaterThan(0);
    }
    const folders = new Set([...files.keys()].map((path) => path.split('/')[0]));
    expect(folders).toEqual(new Set(['tree', 'logs', 'images', 'documents']));
  });

  it('has closed every file when the stop command returns, so that the volume can be unmounted', async () => {
    await stage.unmount();
    await stage.mount(destination);
  });

  it('is checked without a difference when all is right', async () => {
    expect(await checkMount(stage.volume, destination)).toEqual([]);
    expect(checkFiles(stage.volume, files)).toEqual([]);
    expect(checkRows(stage.volume, rows)).toEqual([]);
    await stage.unmount();
    expect(await checkFileSystem(destination)).toEqual([]);
    await stage.mount(destination);
  });

  it('is found on the wrong device', async () => {
    expect(await checkMount(stage.volume, source)).toEqual([
      `${stage.volume} is mounted from ${destination} instead of ${source}`,
    ]);
  });

  describe('finds in a file', () => {
    const path = 'images/image-1';

    function damage(change: (bytes: Buffer) => Uint8Array): () => void {
      const whole = readFileSync(join(stage.volume, path));
      writeFileSync(join(stage.volume, path), change(Buffer.from(whole)));
      return () => writeFileSync(join(stage.volume, path), whole);
    }

    it('one flipped bit', () => {
      const repair = damage((bytes) => {
        bytes.writeUInt8(bytes.readUInt8(123_456) ^ 1, 123_456);
        return bytes;
      });
      expect(checkFiles(stage.volume, files)).toEqual([
        expect.stringContaining(`${path} has other content: SHA-256 `),
      ]);
      repair();
      expect(checkFiles(stage.volume, files)).toEqual([]);
    });

    it('a missing last byte', () => {
      const repair = damage((bytes) => bytes.subarray(0, -1));
      expect(checkFiles(stage.volume, files)).toEqual([
        `${path} has ${mebibyte - 1} bytes instead of ${mebibyte}`,
      ]);
      repair();
    });

    it('another name', () => {
      renameSync(join(stage.volume, path), join(stage.volume, 'images/stranger'));
      expect(checkFiles(stage.volume, files)).toEqual([
        `${path} is missing`,
        'images/stranger is there, but nobody has written it',
      ]);
      renameSync(join(stage.volume, 'images/stranger'), join(stage.volume, path));
    });
  });

  describe('finds in the database', () => {
    let database: Database;

    function payloadOf(row: number): string {
      const found = database.get('SELECT payload FROM entries WHERE row = ?', row);
      return z.object({ payload: z.string() }).parse(found).payload;
    }

    beforeEach(() => {
      database = new sqlite.Database(join(stage.volume, ledgerPath));
    });

    afterEach(() => {
      if (database.isOpen) database.close();
    });

    it('that a row of the time during the move is gone', () => {
      const lost = rows.find(({ phase }) => phase === 'during')?.row ?? 0;
      const payload = payloadOf(lost);
      database.run('DELETE FROM entries WHERE row = ?', lost);
      expect(checkRows(stage.volume, rows)).toEqual([
        `${ledgerPath}: row ${lost}, acknowledged during the move, is missing`,
      ]);
      database.run('INSERT INTO entries (row, payload) VALUES (?, ?)', [lost, payload]);
      expect(checkRows(stage.volume, rows)).toEqual([]);
    });

    it('an older payload, and a row that was never acknowledged', () => {
      const payload = payloadOf(1);
      database.run('UPDATE entries SET payload = ? WHERE row = 1', 'old');
      database.run('INSERT INTO entries (row, payload) VALUES (?, ?)', [rows.length + 1, 'stranger']);
      expect(checkRows(stage.volume, rows)).toEqual([
        `${ledgerPath}: row 1, acknowledged before the move, has other content`,
        `${ledgerPath}: row ${rows.length + 1} is there, but was never acknowledged`,
      ]);
      database.run('UPDATE entries SET payload = ? WHERE row = 1', payload);
      database.run('DELETE FROM entries WHERE row > ?', rows.length);
    });

    it('that nothing was acknowledged in one of the phases', () => {
      const others = rows.filter(({ phase }) => phase !== 'after');
      expect(checkRows(stage.volume, others)[0]).toBe('no row was acknowledged after the move');
    });

    it('pages that SQLite itself finds wrong', () => {
      database.close();
      const path = join(stage.volume, ledgerPath);
      const whole = readFileSync(path);
      // The number of free pages, in the header: integrity_check counts them.
      const damaged = Buffer.from(whole);
      damaged.writeUInt32BE(7, 36);
      writeFileSync(path, damaged);
      expect(checkRows(stage.volume, rows)).toEqual([
        expect.stringContaining(`${ledgerPath}: SQLite's check finds: `),
      ]);
      writeFileSync(path, whole);
      expect(checkRows(stage.volume, rows)).toEqual([]);
    });
  });

  it('is not started again on a file that is not as its writer left it', async () => {
    const path = 'images/image-2';
    const whole = readFileSync(join(stage.volume, path));
    writeFileSync(join(stage.volume, path), Buffer.from(whole).fill(0, 0, 4096));
    await workload.start();
    expect(failures[0]?.message).toContain(`the overwriter failed: ${path} has other content`);
    await workload.end();
  });

  it('finds a file system that e2fsck does not call clean', async () => {
    await stage.unmount();
    const { exitCode } = await runProgram('debugfs', ['-w', '-R', 'clri /images/image-1', destination]);
    expect(exitCode).toBe(0);
    expect(await checkFileSystem(destination)).toEqual([
      expect.stringMatching(`^${destination}: e2fsck finds errors \\(exit code 4\\): .*image-1`),
    ]);
  });
});

describe.skipIf(!isRoot)('a workload whose word comes late (needs root)', () => {
  it('is heard out: where it ran, and what it did', async () => {
    const stage = await Stage.make(sizeBytes);
    onTestFinished(() => stage.clear());
    const [source, elsewhere] = [await stage.makeDisk('source', sizeBytes), '/dev/null'];
    await mustRun('mkfs.ext4', ['-q', source]);
    await stage.mount(source);
    writeFileTree(stage.volume, join(stage.records, treeRecordName), mebibyte);
    const { volume, records: directory } = stage;
    const late = fileURLToPath(new URL('support/late-word.cjs', import.meta.url));
    vi.stubEnv('NODE_OPTIONS', `--require ${late}`);
    const setting = { sourceDevice: source, destinationDevice: elsewhere, volume, directory };
    const workload = await Workload.make(setting, () => {});
    vi.unstubAllEnvs();
    onTestFinished(() => workload.end());
    await workload.start();
    expect(await workload.deviceIn('before')).toBe(source);
    expect((await workload.stop()).before.operations).toBeGreaterThan(0);
  });
});

describe.skipIf(!isRoot)('diskferry demo (needs root)', () => {
  let place: string;

  beforeEach(() => {
    place = mkdtempSync(join('/var/tmp', 'diskferry-test-'));
  });

  afterEach(() => {
    rmSync(place, { recursive: true });
  });

  interface Demo {
    readonly process: ChildProcess;
    /** Its exit code. */
    readonly ended: Promise<number | null>;
    readonly lines: Record<string, unknown>[];
    readonly said: string[];
  }

  function start(): Demo {
    const demo = spawn(
      process.execPath,
      [commandPath, 'demo', '--json', '--size', '128M', '--speed', 'full'],
      {
        env: { ...process.env, TMPDIR: place },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const ended = once(demo, 'close').then(([exitCode]) => exitCode as number | null);
    const lines: Record<string, unknown>[] = [];
    const said: string[] = [];
    createInterface({ input: demo.stdout }).on('line', (line) =>
      lines.push(JSON.parse(line) as Record<string, unknown>),
    );
    createInterface({ input: demo.stderr }).on('line', (line) => said.push(line));
    return { process: demo, ended, lines, said };
  }

  /** Everything that the demo makes bears the name of its directory. */
  async function leftBehind(): Promise<string[]> {
    const loops = await mustRun('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
    const mounts = await mustRun('findmnt', ['--list', '--noheadings', '--output', 'TARGET,SOURCE']);
    const commandLines = processes().map(({ commandLine }) => commandLine);
    const found = [...commandLines, ...loops.split('\n'), ...mounts.split('\n')];
    return [...readdirSync(place), ...found.filter((text) => text.includes(join(place, 'diskferry-demo-')))];
  }

  interface Process {
    readonly pid: number;
    readonly parent: number;
    readonly commandLine: string;
  }

  function processes(): Process[] {
    const found: Process[] = [];
    for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        found.push({ pid, parent: Number(parent), commandLine });
      } catch (error) {
        if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
    return found;
  }

  it('moves a busy volume, proves it, and leaves nothing behind', async () => {
    const { ended, lines, said } = start();
    expect(await ended, said.join('\n')).toBe(0);

    const names = lines.map(({ event }) => event);
    for (const name of ['planned', 'attached', 'synchronized', 'committed']) expect(names).toContain(name);
    expect(names.filter((name) => name === 'interrupted')).toHaveLength(2);
    expect(names.filter((name) => name === 'finished')).toHaveLength(1);
    const device = lines.find(({ event }) => event === 'attached')?.['device'];
    expect(lines.at(-1)).toMatchObject({
      event: 'finished',
      verified: true,
      report: {
        interruptions: [{ at: 'start' }, { at: 'cut-over' }],
        demo: { devices: { before: expect.stringMatching('^/dev/loop'), during: device } },
      },
    });
    const report = lines.at(-1)?.['report'] as {
      demo: { rows: Record<string, number>; files: { count: number } };
    };
    for (const phase of phases) expect(report.demo.rows[phase]).toBeGreaterThan(0);
    expect(report.demo.files.count).toBeGreaterThan(100);
    expect(await leftBehind()).toEqual([]);
  });

  /** Until the volume is on the virtual device. */
  async function middleOf({ process: demo, lines, said }: Demo): Promise<void> {
    const isAttached = (): boolean => lines.some(({ event }) => event === 'attached');
    await waitUntil('the demo is in its middle', () => isAttached() || demo.exitCode !== null);
    expect(isAttached(), said.join('\n')).toBe(true);
  }

  /**
   * Only the demo's own children: what one of them starts has its command line too, until it becomes its
   * program.
   */
  function childrenOf({ process: demo }: Demo, program: string): Process[] {
    return processes().filter(
      ({ parent, commandLine }) => parent === demo.pid && commandLine.includes(program),
    );
  }

  it('goes back and leaves nothing behind when it is interrupted in the middle', async () => {
    const running = start();
    const { process: demo, ended, lines, said } = running;
    await middleOf(running);
    demo.kill('SIGINT');
    expect(await ended, said.join('\n')).toBe(130);
    expect(lines.map(({ event }) => event)).toContain('undone');
    expect(lines.at(-1)).toMatchObject({ event: 'failed', code: 'interrupted', dataIs: 'untouched' });
    expect(await leftBehind()).toEqual([]);
  });

  it.each([
    ['migration', 'main.js\0migrate'],
    ['workload', 'workload/process.js'],
  ])('fails and leaves nothing behind when its %s is killed in the middle', async (_, program) => {
    const running = start();
    const { ended, lines, said } = running;
    await middleOf(running);
    const victims = childrenOf(running, program);
    expect(victims, said.join('\n')).toHaveLength(1);
    for (const { pid } of victims) process.kill(pid, 'SIGKILL');
    expect(await ended, said.join('\n')).not.toBe(0);
    expect(said.join('\n')).toContain('SIGKILL');
    expect(lines.at(-1)).toMatchObject({ event: 'failed', dataIs: 'untouched' });
    expect(lines.map(({ event }) => event)).not.toContain('finished');
    expect(await leftBehind()).toEqual([]);
  });

  it('refuses without root, in one line and before anything is made', async () => {
    const nobody = 65534;
    const demo = spawn(process.execPath, [commandPath, 'demo'], {
      uid: nobody,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said: string[] = [];
    createInterface({ input: demo.stderr }).on('line', (line) => said.push(line));
    const [exitCode] = (await once(demo, 'close')) as [number | null];
    expect(exitCode).toBe(6);
    expect(said).toEqual([expect.stringContaining('needs root')]);
  });
});

/**
 * The demo itself: a volume moves between two disks while several writers, readers and a database use it, by
 * the same command that people use; then everything is compared with what those users had acknowledged.
 *
 *   the volume is on:   source (before)  →  virtual device (during)  →  destination (after)  →  checks
 *
 * Whatever is put up registers with `held` at once how it is taken down.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError } from '../../base/error.ts';
import type { ReleaseStack } from '../../base/release.ts';
import type { JobEvent, JobEventOf } from '../../contract/events.ts';
import type { Speed } from '../../contract/plan.ts';
import { formatBytes } from '../format.ts';
import type { EventView } from '../event-view.ts';
import type { Phase } from './acknowledged.ts';
import { expectedFiles, fileRecordSchema, readRecords, rowRecordSchema } from './acknowledged.ts';
import { checkFiles, checkFileSystem, checkMount, checkRows, requireNone, rowCounts } from './checks.ts';
import { writeFileTree } from './file-tree.ts';
import { Move } from './move.ts';
import { mustRun } from './programs.ts';
import type { DemoFindings, DemoReport } from './report.ts';
import { destinationBytesFor, Stage } from './stage.ts';
import type { StopSignal } from './stop-signal.ts';
import { Workload } from './workload.ts';
import { fileRecordNames, rowRecordName, treeRecordName } from './workload/setting.ts';

export interface PlayOptions {
  /** `auto` or the name of one. */
  readonly frontend: string;
  readonly speed: Speed;
  /** Of the source. */
  readonly sizeBytes: number;
  readonly view: EventView;
  readonly stop: StopSignal;
  readonly held: ReleaseStack;
}

export type DemoFinished = JobEventOf<'finished'> & { readonly report: DemoReport };

interface Disks {
  readonly source: string;
  readonly destination: string;
}

interface Scene extends PlayOptions {
  readonly stage: Stage;
  readonly disks: Disks;
  readonly workload: Workload;
}

/** Of the source, by files that nobody changes. */
const treeShare = 0.3;
/** How long the workload runs on each device, at least. */
const runMs: Readonly<Record<Phase, number>> = { before: 5000, during: 5000, after: 3000 };

export async function play(options: PlayOptions): Promise<DemoFinished> {
  const scene = await setScene(options);
  const { stage, disks, workload } = scene;
  await runOn('before', disks.source, scene);
  const { device, finished } = await moveVolume(scene);
  await runOn('after', disks.destination, scene);
  const figures = await options.stop.orStop(workload.stop());
  await workload.end();
  await stage.unmount();

  const findings: DemoFindings = {
    devices: { before: disks.source, during: device, after: disks.destination },
    workload: figures,
    ...(await prove(stage, disks.destination)),
  };
  return { ...finished, timeMs: Date.now(), verified: true, report: { ...finished.report, demo: findings } };
}

async function setScene(options: PlayOptions): Promise<Scene> {
  const { stop, held } = options;
  const stage = await Stage.make(options.sizeBytes);
  held.add('the demo directory', () => stage.clear());
  const disks = await makeDisks(stage, options);
  stop.signal.throwIfAborted();
  await makeVolume(stage, disks.source, options);
  stop.signal.throwIfAborted();
  const workload = await Workload.make(
    {
      sourceDevice: disks.source,
      destinationDevice: disks.destination,
      volume: stage.volume,
      directory: stage.records,
    },
    (error) => stop.stop(error),
  );
  held.add('the workload', () => workload.end());
  await workload.start();
  return { ...options, stage, disks, workload };
}

async function makeDisks(stage: Stage, { sizeBytes, view }: PlayOptions): Promise<Disks> {
  const destinationBytes = destinationBytesFor(sizeBytes);
  const source = await stage.makeDisk('source', sizeBytes);
  const destination = await stage.makeDisk('destination', destinationBytes);
  const both = `${source} (${formatBytes(sizeBytes)}) and ${destination} (${formatBytes(destinationBytes)})`;
  view.note(`Made two disks of image files in ${stage.directory}: ${both}.`);
  return { source, destination };
}

async function makeVolume(stage: Stage, device: string, { sizeBytes, view }: PlayOptions): Promise<void> {
  await mustRun('mkfs.ext4', ['-q', device]);
  await stage.mount(device);
  const tree = writeFileTree(stage.volume, join(stage.records, treeRecordName), sizeBytes * treeShare);
  await mustRun('sync', ['--file-system', stage.volume]);
  const files = `${tree.fileCount} files (${formatBytes(tree.sizeBytes)})`;
  view.note(`Made an ext4 volume with ${files} on ${device} and mounted it.`);
}

/** From the source to the destination; the workload runs on the virtual device for its time, and on. */
async function moveVolume(
  scene: Scene,
): Promise<{ readonly device: string; readonly finished: JobEventOf<'finished'> }> {
  const { stage, disks, workload, frontend, speed, view, stop, held } = scene;
  const move = Move.start({
    ...disks,
    frontend,
    speed,
    stateDirectory: stage.state,
    workload,
    onEvent: (event) => showEvent(event, view, stop),
    onFailure: (error) => stop.stop(error),
  });
  held.add('the migration', () => move.interrupt());
  const { device } = await stop.orStop(move.event('attached'));
  await runOn('during', device, scene);
  await stop.orStop(move.event('synchronized'));
  await move.cutOver();
  const finished = await stop.orStop(move.event('finished'));
  await stop.orStop(move.end());
  return { device, finished };
}

/** Lets the workload run on a device for its time. Throws if another device carries the volume. */
async function runOn(phase: Phase, device: string, { stage, workload, view, stop }: Scene): Promise<void> {
  const differences = await checkMount(stage.volume, device);
  const seen = (await stop.orStop(workload.deviceIn(phase))) ?? 'nothing';
  if (seen !== device)
    differences.push(`${phase} the move, the workload ran on ${seen} instead of ${device}`);
  requireNone(differences);
  const users = 'three writers, two readers and a database';
  view.note(`The workload runs on ${device}, for at least ${runMs[phase] / 1000} s: ${users}.`);
  await sleep(runMs[phase], undefined, { signal: stop.signal });
}

/** The last line is the demo's own. A migration that asks for a decision has nobody to answer it here. */
function showEvent(event: JobEvent, view: EventView, stop: StopSignal): void {
  if (event.event !== 'finished' && event.event !== 'failed') view.handle(event);
  if (event.event !== 'decision') return;
  stop.stop(new DiskferryError('demo-failed', `the migration has met trouble: ${event.message}`));
}

async function prove(stage: Stage, destination: string): Promise<Pick<DemoFindings, 'files' | 'rows'>> {
  const read = (name: string): string => join(stage.records, name);
  const files = expectedFiles(fileRecordNames.flatMap((name) => readRecords(read(name), fileRecordSchema)));
  const rows = readRecords(read(rowRecordName), rowRecordSchema);
  const differences = await checkFileSystem(destination);
  await stage.mount(destination);
  differences.push(...checkFiles(stage.volume, files), ...checkRows(stage.volume, rows));
  requireNone(differences);
  const sizeBytes = [...files.values()].reduce((sum, content) => sum + content.sizeBytes, 0);
  return { files: { count: files.size, sizeBytes }, rows: rowCounts(rows) };
}

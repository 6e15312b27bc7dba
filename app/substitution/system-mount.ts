/**
 * Places where the system itself mounts the volume, by a line in fstab(5) of which systemd has made a unit. After a
 * reboot that unit may be waiting for the volume, and is then the one that mounts it: with its check, in its order, and
 * as many times as its line is there, which is once.
 *
 * A place of which systemd knows nothing waits for those that it is still at: what it will mount may lie above.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgramResult } from '../devices/program.ts';
import { runProgram } from '../devices/program.ts';

/** There as long as systemd is the system's manager (sd_booted(3)). */
const managerPath = '/run/systemd/system';
const tablePath = '/etc/fstab';
/** The manager answers at once, unless the machine is very busy. */
const answerMsMax = 30_000;
/** For udev to tell a device's name by its content. */
const linkMsMax = 5_000;
/** What a boot waits for that does not come is given up by then. */
const bootMsMax = 120_000;
const pollMs = 250;

export interface Place {
  readonly target: string;
  /** The volume is mounted there. */
  readonly isThere: () => boolean;
  /** Whether a path leads to the device that has the volume now. */
  readonly leadsTo: (path: string) => boolean;
}

/** True when the volume is there; false: it is for us to mount it. */
export async function mountedBySystem(place: Place): Promise<boolean> {
  if (place.isThere()) return true;
  if (!existsSync(managerPath)) return false;
  const unit = await unitAt(place.target);
  if (unit === undefined) await awaitBoot();
  // What it has to say, it says in the journal; what is missing then is mounted by us, or fails for us as well.
  else if (await within(linkMsMax, () => place.leadsTo(unit.what))) await ask('systemctl', ['start', '--', unit.name]);
  return place.isThere();
}

interface MountUnit {
  readonly name: string;
  readonly what: string;
}

/** Undefined where the table has no line for it. */
async function unitAt(target: string): Promise<MountUnit | undefined> {
  const escaped = await ask('systemd-escape', ['--path', '--suffix=mount', '--', target], answerMsMax);
  const name = escaped?.stdout.trim() ?? '';
  if (name === '') return undefined;
  const shown = await ask('systemctl', ['show', '--property=LoadState,SourcePath,What', '--', name], answerMsMax);
  const { LoadState, SourcePath, What } = propertiesIn(shown?.stdout ?? '');
  const isInTable = LoadState === 'loaded' && SourcePath === tablePath;
  return isInTable && What !== undefined ? { name, what: What } : undefined;
}

async function awaitBoot(): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    const shown = await ask('systemctl', ['show', '--property=Job', '--', 'local-fs.target'], answerMsMax);
    return ['', '0', undefined].includes(propertiesIn(shown?.stdout ?? '')['Job']);
  };
  await within(bootMsMax, isOver);
}

export function propertiesIn(text: string): Partial<Record<string, string>> {
  const lines = text.split('\n').map((line) => line.split(/=(.*)/s));
  return Object.fromEntries(lines.flatMap(([name = '', value]) => (value === undefined ? [] : [[name, value]])));
}

/** A manager that cannot be asked knows nothing. */
async function ask(program: string, words: readonly string[], timeMsMax?: number): Promise<ProgramResult | undefined> {
  return runProgram(program, words, timeMsMax).catch(() => undefined);
}

async function within(msMax: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const untilMs = performance.now() + msMax;
  while (!(await isSo())) {
    if (performance.now() > untilMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/**
 * What the system's own programs still know a disk by: the proof that the guard's table (recognisers.ts) has
 * left nothing out. Each looks at the disk itself, past every cache of its own. Reads only; a program that is
 * not installed recognises nothing.
 */
import { DiskferryError } from '../base/error.ts';
import { runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

export interface LookedAt {
  /** A node in /dev; null for image files, which LVM does not know. */
  readonly node: string | null;
  /** Leads to the disk, whatever is named so later. */
  readonly path: string;
}

interface ForeignRecogniser {
  readonly program: string;
  readonly parameters: (disk: LookedAt) => readonly string[] | null;
  /** What it says it has found; null: nothing. */
  readonly found: (result: ProgramResult) => string | null;
}

const pastCaches = 'devices { use_devicesfile=0 hints="none" filter=["a|.*|"] global_filter=["a|.*|"] }';
const succeeded = ({ exitCode, stdout }: ProgramResult): string | null =>
  exitCode === 0 ? stdout.trim().replaceAll(/\s+/g, ' ').slice(0, 200) : null;

const foreignRecognisers: readonly ForeignRecogniser[] = [
  {
    program: 'blkid',
    parameters: ({ path }) => ['--probe', '--output', 'export', '--', path],
    // From blkid(8): 2 says that it has found nothing, 8 that it has found several things at once.
    found: ({ exitCode, stdout }) => {
      if (exitCode === 8) return 'several signatures at once';
      const types = [...stdout.matchAll(/^(?:PT)?TYPE=(.*)$/gm)].map(([, type]) => type);
      return types.length === 0 ? null : types.join(' and ');
    },
  },
  {
    program: 'wipefs',
    parameters: ({ path }) => ['--no-act', '--parsable', '--output', 'TYPE,OFFSET', '--', path],
    found: ({ stdout }) => {
      const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      return lines.length === 0 ? null : lines.join(' and ');
    },
  },
  {
    program: 'lvm',
    parameters: ({ node }) =>
      node === null
        ? null
        : ['pvs', '--config', pastCaches, '--readonly', '--noheadings', '--options', 'pv_uuid', node],
    found: succeeded,
  },
  {
    program: 'cryptsetup',
    // It locks an image file while it looks, and ours is locked for the whole job: it would wait for ever.
    parameters: ({ path }) => ['isLuks', '--disable-locks', path],
    found: succeeded,
  },
  { program: 'mdadm', parameters: ({ path }) => ['--examine', path], found: succeeded },
  {
    program: 'btrfs',
    parameters: ({ path }) => ['filesystem', 'show', '--raw', path],
    found: succeeded,
  },
];

/** One sentence part for each program that recognises something on the disk, such as `blkid sees ext4`. */
export async function recognisedBy(disk: LookedAt): Promise<string[]> {
  const answers = await Promise.all(foreignRecognisers.map((recogniser) => ask(recogniser, disk)));
  return answers.filter((answer) => answer !== null);
}

async function ask(recogniser: ForeignRecogniser, disk: LookedAt): Promise<string | null> {
  const { program, found } = recogniser;
  const parameters = recogniser.parameters(disk);
  if (parameters === null) return null;
  try {
    const what = found(await runProgram(program, parameters));
    return what === null ? null : `${program} sees ${what === '' ? 'its kind of content' : what}`;
  } catch (error) {
    if (error instanceof DiskferryError && error.code === 'program-missing') return null;
    throw error;
  }
}

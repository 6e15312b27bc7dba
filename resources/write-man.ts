/** Writes docs/diskferry.1 from the commands themselves: npx tsx resources/write-man.ts. A test sees that it is current. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Argument, Command, Option } from 'commander';
import { makeProgram } from '../app/cli/program.ts';
import { exitCodes } from '../app/contract/exit-codes.ts';
import { defaultSocketPath } from '../app/contract/service.ts';
import { version } from '../app/migration/version.ts';

export const manPagePath = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs/diskferry.1');

/** What roff takes for its own: backslashes, dashes that must stay dashes, a dot or quote at a line's start. */
function roff(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^([.'])/gm, '\\&$1');
}

function commandSection(command: Command): string[] {
  const lines = [
    `.SS "${roff(`${command.name()} ${command.usage()}`)}"`,
    `${roff(capitalised(command.description()))}.`,
  ];
  const described = [
    ...command.registeredArguments.map((argument) => [argument.name(), whole(argument)] as const),
    ...command.options.map((option) => [option.flags, whole(option)] as const),
  ];
  for (const [name, description] of described) lines.push('.TP', `.B ${roff(name)}`, roff(description));
  return lines;
}

/** With what may be said there, and what holds where nothing is said. */
function whole({ description, argChoices, defaultValue }: Option | Argument): string {
  const more = [
    ...(argChoices === undefined ? [] : [`one of ${argChoices.join(', ')}`]),
    ...(typeof defaultValue === 'string' ? [`default: ${defaultValue}`] : []),
  ];
  return more.length === 0 ? description : `${description} (${more.join('; ')})`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const exitMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'done',
  bug: 'a bug in Diskferry',
  usage: 'wrong usage',
  refused: 'refused; this command has written nothing',
  failed: 'failed; the message says where the data is, and what to do',
  needsDecision: 'needs a decision',
  notAuthorised: 'not authorised',
  noService: 'no service runs',
  undone: 'undone',
  interrupted: 'interrupted; a job that had begun can be recovered',
};

export async function manPage(): Promise<string> {
  const program = await makeProgram(undefined);
  const codes = Object.entries(exitCodes).flatMap(([name, code]) => [
    '.TP',
    `.B ${code}`,
    roff(exitMeanings[name as keyof typeof exitCodes]),
  ]);
  return `${[
    '.\\" Written by resources/write-man.ts: do not change it here.',
    `.TH DISKFERRY 1 "" "diskferry ${version}"`,
    '.SH NAME',
    'diskferry \\- move a disk or volume to a new disk while it stays in use',
    '.SH SYNOPSIS',
    '.B diskferry',
    '.I COMMAND',
    '[\\fIOPTIONS\\fR]',
    '.SH DESCRIPTION',
    'A virtual device takes the place of the original: every write goes to the destination, every read is served from',
    'whichever disk holds the valid copy, and the rest is copied in the background. Until the cut\\-over the move can be undone.',
    '.SH COMMANDS',
    ...program.commands.flatMap(commandSection),
    '.SH EXIT STATUS',
    ...codes,
    '.SH ENVIRONMENT',
    '.TP',
    '.B DISKFERRY_STATE_DIR',
    'where jobs keep their state, instead of /var/lib/diskferry',
    '.TP',
    '.B DISKFERRY_SOCKET',
    `where the service listens, instead of ${defaultSocketPath}`,
  ].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(manPagePath, await manPage());

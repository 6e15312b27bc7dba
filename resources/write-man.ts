/** Writes docs/diskferry.1 from the commands themselves: npx tsx resources/write-man.ts. A test sees that it is current. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { makeProgram } from '../app/cli/program.ts';
import { exitCodes } from '../app/contract/exit-codes.ts';
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
    ...command.registeredArguments.map((argument) => [argument.name(), argument.description] as const),
    ...command.options.map(({ flags, description }) => [flags, description] as const),
  ];
  for (const [name, description] of described) lines.push('.TP', `.B ${roff(name)}`, roff(description));
  return lines;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const exitMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'done',
  bug: 'a bug in Diskferry',
  usage: 'wrong usage',
  refused: 'refused before anything was written',
  failed: 'failed; where the data is stands in the message',
  needsDecision: 'needs a decision',
  notAuthorised: 'not authorised',
  noService: 'no service runs',
  undone: 'undone',
  interrupted: 'interrupted',
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
  ].join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(manPagePath, await manPage());

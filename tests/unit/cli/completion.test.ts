import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bashCompletion, zshCompletion } from '../../../app/cli/completion.ts';
import { makeProgram } from '../../../app/cli/program.ts';
import { exitCodes } from '../../../app/contract/exit-codes.ts';
import { manPage, manPagePath } from '../../../resources/write-man.ts';

/** What a real bash offers for a line. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const script = `${bashCompletion(await makeProgram(undefined))}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _diskferry; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', 'diskferry', ...words], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion in bash', () => {
  test('offers commands, options, and the choices of options and arguments', async () => {
    expect(await offered('un')).toEqual(['undo', 'unmask']);
    expect(await offered('migrate', '--so')).toEqual(['--source', '--socket']);
    expect(await offered('migrate', '--speed', '')).toEqual(['gentle', 'balanced', 'full']);
    expect(await offered('speed', 'g')).toEqual(['gentle']);
  });

  test('leaves paths to the shell', async () => {
    expect(await offered('migrate', '--source', '/d')).toEqual([]);
  });
});

test('completion in zsh names every command and quotes what it must', async () => {
  const program = await makeProgram(undefined);
  const script = zshCompletion(program);
  for (const command of program.commands) expect(script).toContain(`    ${command.name()}) _arguments`);
  expect(script.replaceAll(`'\\''`, '').match(/'/g)?.length ?? 0).toSatisfy((count: number) => count % 2 === 0);
});

test('the man page tells what may be said, what holds otherwise, and every exit code', async () => {
  const page = await manPage();
  expect(page).toContain('beside what uses the volume (one of gentle, balanced, full; default: balanced)');
  expect(page).toContain('.B DISKFERRY_SOCKET');
  for (const code of Object.values(exitCodes)) expect(page).toContain(`\n.TP\n.B ${code}\n`);
});

test('the man page is current: npx tsx resources/write-man.ts', async () => {
  expect(readFileSync(manPagePath, 'utf8')).toBe(await manPage());
});

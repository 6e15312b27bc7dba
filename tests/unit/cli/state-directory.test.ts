import { Command } from 'commander';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { addPlanOptions } from '../../../app/cli/plan-options.ts';
import { makeProgram } from '../../../app/cli/program.ts';
import { namedStateDirectory, stateDirectoryOf, systemStateDirectory } from '../../../app/cli/state-directory.ts';

afterEach(() => void vi.unstubAllEnvs());

describe('the state directory', () => {
  test.each([
    ['/a', '/b', '/a'],
    [undefined, '/b', '/b'],
    [undefined, '', systemStateDirectory],
    [undefined, undefined, systemStateDirectory],
  ])('of --state-dir %s and DISKFERRY_STATE_DIR=%s is %s', (option, variable, expected) => {
    vi.stubEnv('DISKFERRY_STATE_DIR', variable);
    expect(stateDirectoryOf(option)).toBe(expected);
    // Who has named none asks the service.
    expect(namedStateDirectory(option) === undefined).toBe(expected === systemStateDirectory);
  });

  test('is told by the help of every command that has it, with what holds without it', async () => {
    const commands = (await makeProgram(undefined)).commands;
    const having = commands.filter(({ options }) => options.some(({ long }) => long === '--state-dir'));
    expect(having.length).toBeGreaterThan(10);
    for (const command of having)
      expect(command.helpInformation().replaceAll(/\s+/g, ' ')).toContain('(default: DISKFERRY_STATE_DIR or /var/lib/diskferry)');
  });
});

test.each(['--source', '--destination', '--state-dir'])('%s with nothing is refused: it would be the current directory', (option) => {
  const command = addPlanOptions(new Command('plan')).exitOverride().configureOutput({ outputError: () => undefined });
  const others = ['--source', '--destination'].filter((one) => one !== option).flatMap((one) => [one, '/x']);
  expect(() => command.parse([...others, option, ''], { from: 'user' })).toThrow(/is invalid\. It is empty\./);
});

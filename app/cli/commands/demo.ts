/** `diskferry demo`: moves a busy demo volume on image files of its own and proves it. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { parseSize } from '../../base/parse-size.ts';
import type { Speed } from '../../contract/plan.ts';
import { deviceFrontends, speedSchema } from '../../contract/plan.ts';
import { runDemo } from '../demo/demo.ts';

interface DemoCommandOptions {
  readonly frontend: string;
  readonly speed: Speed;
  readonly size: string;
  readonly json?: boolean;
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('move a busy demo volume between two image files, and prove that nothing was lost')
    .addOption(
      new Option('--frontend <name>', 'what serves the virtual device')
        .choices(['auto', ...deviceFrontends])
        .default('auto'),
    )
    .addOption(
      new Option('--speed <speed>', 'how fast to copy').choices(speedSchema.options).default('balanced'),
    )
    .option('--size <size>', 'of the disk that moves', '1G')
    .option('--json', 'one JSON object per line on stdout')
    .action(async ({ frontend, speed, size, json }: DemoCommandOptions) => {
      process.exitCode = await runDemo({ frontend, speed, sizeBytes: parseSize(size), json: json === true });
    });
}

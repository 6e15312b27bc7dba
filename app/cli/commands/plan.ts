/** `diskferry plan`: what a migration would do, without doing any of it. */
import type { Command } from 'commander';
import type { PlanOptions } from '../plan-options.ts';
import type { JobEventOf } from '../../contract/events.ts';
import { addPlanOptions, makePlan } from '../plan-options.ts';
import { planText } from '../plan-text.ts';

export function addPlanCommand(program: Command): void {
  addPlanOptions(program.command('plan'))
    .description('show what a migration would do; nothing is written')
    .action(async (options: PlanOptions) => {
      const plan = await makePlan(options, 'show');
      // There is no job yet.
      const planned: JobEventOf<'planned'> = { event: 'planned', job: '', timeMs: Date.now(), plan };
      process.stdout.write(
        options.json === true ? `${JSON.stringify(planned)}\n` : `${planText(plan, process.stdout)}\n`,
      );
    });
}

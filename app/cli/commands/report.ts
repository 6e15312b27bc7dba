/** `diskferry report`: what was done, for the people who must show it: as a page to print, or as data. */
import type { Command } from 'commander';
import { DiskferryError } from '../../base/error.ts';
import type { ReportDocument } from '../../contract/report/document.ts';
import { makeReport } from '../../contract/report/document.ts';
import { reportHtml } from '../../contract/report/html.ts';
import { readHistory } from '../../migration/job-history.ts';
import { version } from '../../migration/version.ts';
import { byService } from '../service-line.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import { stateDirectoryOption } from '../state-option.ts';

interface ReportOptions {
  readonly html?: boolean;
  readonly json?: boolean;
  readonly technician?: string;
  readonly customer?: string;
  readonly stateDir?: string;
}

export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description('print what a job has done, also after its end')
    .argument('<job>', 'the job')
    .option('--html', 'a page to print or keep, on stdout (the default)')
    .option('--json', 'the same as one JSON object')
    .option('--technician <name>', 'who did the work')
    .option('--customer <name>', 'for whom')
    .option(...stateDirectoryOption)
    .action(printReport);
}

async function printReport(job: string, options: ReportOptions): Promise<void> {
  if (options.html === true && options.json === true)
    throw new DiskferryError('usage', '--html and --json: choose one of them');
  const report = await makeReportOf(checked(job), options);
  process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : reportHtml(report, version));
}

async function makeReportOf(job: string, options: ReportOptions): Promise<ReportDocument> {
  const { technician, customer } = options;
  const byIt = await byService(options, (client) => client.request('report', { job, technician, customer }));
  if (byIt !== undefined) return byIt.done;
  return makeReport(job, await readHistory(stateDirectoryOf(options.stateDir), job), {
    technician,
    customer,
  });
}

/** It becomes a part of a path. */
function checked(job: string): string {
  if (/^[\w-]+$/.test(job)) return job;
  throw new DiskferryError('job-missing', `${job}: is not the name of a job`);
}

/**
 * What a person should know of a job while it runs: that it waits until nobody uses the volume, and the newest of what
 * nobody could know before the start. It is in the log as well, and in the report.
 */
import type { ReactElement } from 'react';
import type { JobView } from '../state/job-view.ts';
import { waitsToBeLetGo } from '../state/job-view.ts';
import { text } from '../text/text.ts';

export function WarningBox({ view }: { readonly view: JobView }): ReactElement {
  const { letGo, warnings, state, device, source } = view;
  const isWaiting = letGo !== null && waitsToBeLetGo(view);
  const newest = warnings.at(-1);
  return (
    <div role="status">
      {isWaiting && (
        <section className="box amber">
          <h2>{text('job.inUse')}</h2>
          <p className="breakable">{letGo.message.replace(/\.?$/, '.')}</p>
          <p>{text(state === 'undoing' ? 'job.letGoBack' : 'job.letGo', { device: device ?? source ?? '' })}</p>
        </section>
      )}
      {newest !== undefined && (
        <section className="box amber">
          <h2>{text('plan.warnings')}</h2>
          <p className="breakable">{newest.message.replace(/\.?$/, '.')}</p>
        </section>
      )}
    </div>
  );
}

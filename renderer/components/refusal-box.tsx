/** What was not done: what happened, to which disk, what to do next, and where the data is. */
import type { ReactElement } from 'react';
import type { Refusal } from '../../app/contract/bridge.ts';
import type { Errand } from '../state/wizard-state.ts';
import { text } from '../text/text.ts';
import { useWizardState } from './wizard-context.ts';

export function RefusalBox({ refusal }: { readonly refusal: Refusal }): ReactElement {
  const { code, message, advice, dataIs } = refusal;
  return (
    <div className="box bad" role="alert">
      <h2>{text(code === 'bug' ? 'refusal.bug' : 'refusal.title')}</h2>
      <p className="breakable">{message.replace(/\.?$/, '.')}</p>
      <p>{advice}</p>
      <p>{text(`refusal.data.${dataIs}`)}</p>
    </div>
  );
}

/** Of what was asked here last, if it was refused. */
export function RefusalOf({ errand }: { readonly errand: Errand }): ReactElement | null {
  const refusal = useWizardState((state) => state.refusals[errand]);
  return refusal === undefined ? null : <RefusalBox refusal={refusal} />;
}

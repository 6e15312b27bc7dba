/**
 * What was not done: what happened, to which disk, what to do next, and where the data is. Where no answer came, it
 * says so, and not that nothing was done: that would be a guess.
 */
import type { ReactElement } from 'react';
import type { Refusal } from '../../app/contract/bridge.ts';
import { isAnswerLost } from '../state/refused-start.ts';
import type { Errand } from '../state/wizard-state.ts';
import { text } from '../text/text.ts';
import { useWizardState } from './wizard-context.ts';

export interface RefusalBoxProps {
  readonly refusal: Refusal;
  /** What was asked for would have changed something. */
  readonly isDeed: boolean;
}

export function RefusalBox({ refusal, isDeed }: RefusalBoxProps): ReactElement {
  const { code, message, advice, dataIs } = refusal;
  const isLost = isAnswerLost(refusal);
  const title = code === 'bug' ? 'bug' : isLost ? 'lost' : 'title';
  return (
    <div className="box bad" role="alert">
      <h2>{text(`refusal.${title}`)}</h2>
      <p className="breakable">{message.replace(/\.?$/, '.')}</p>
      {isLost && isDeed && <p>{text('refusal.lostText')}</p>}
      <p>{advice}</p>
      {isDeed && (!isLost || dataIs !== 'unknown') && <p>{text(`refusal.data.${dataIs}`)}</p>}
    </div>
  );
}

/** Of what was asked here last, if it was refused. */
export function RefusalOf({ errand }: { readonly errand: Errand }): ReactElement | null {
  const refusal = useWizardState((state) => state.refusals[errand]);
  return refusal === undefined ? null : <RefusalBox refusal={refusal} isDeed={isDeed(errand)} />;
}

function isDeed(errand: Errand): boolean {
  return errand === 'start' || errand.startsWith('job:') || errand.startsWith('recover:');
}

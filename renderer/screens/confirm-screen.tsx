/**
 * The last page before anything is written. It names the disk that will be erased, and asks for its path to be
 * typed only if it holds data. The passphrase of a LUKS container is handed on and not kept.
 */
import type { ReactElement } from 'react';
import { useState } from 'react';
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import type { PlannedDisk } from '../../app/contract/plan.ts';
import type { ServiceResult } from '../../app/contract/service.ts';
import { ActionButton } from '../components/action-button.tsx';
import { busText, diskName, erasedText, holdsData } from '../components/disk-words.ts';
import { Field } from '../components/fields.tsx';
import { Facts } from '../components/facts.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useSettled } from '../components/settled.ts';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { findDevice } from '../state/choice.ts';
import { isAway, isBusy } from '../state/wizard-state.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { Screen } from './screen.tsx';

export interface ConfirmScreenProps {
  readonly planned: ServiceResult<'plan'>;
}

export function ConfirmScreen({ planned: { plan, token } }: ConfirmScreenProps): ReactElement {
  const wizard = useWizard();
  const isStarting = useWizardState((state) => isBusy(state, 'start'));
  const isSettled = useSettled();
  const isUnheard = useWizardState(isAway);
  const [typed, setTyped] = useState('');
  const [passphrase, setPassphrase] = useState('');
  const { destination, mappedUsers } = plan;
  const asksPassphrase = mappedUsers.some(({ needsPassphrase }) => needsPassphrase);
  const asksTyping = !destination.toBeCreated && holdsData(destination.content);
  const isReady = (!asksTyping || typed.trim() === destination.path) && (!asksPassphrase || passphrase !== '');
  const disk = diskName(destination);
  const start = async (): Promise<void> => {
    await wizard.start(token, asksPassphrase ? passphrase : null);
    setPassphrase('');
  };
  return (
    <Screen
      title={text('confirm.title', { disk })}
      lead={text('confirm.lead')}
      actions={
        <>
          <ActionButton isBusy={isStarting} onPress={() => wizard.go({ at: 'plan' })}>
            {text('actions.back')}
          </ActionButton>
          <ActionButton
            kind="danger"
            isDisabled={!isReady || !isSettled || isUnheard}
            isBusy={isStarting}
            onPress={() => void start()}
          >
            {text('confirm.button', { disk })}
          </ActionButton>
        </>
      }
    >
      <RefusalOf errand="start" />
      <Erased destination={destination} />
      <p>{text('confirm.backup')}</p>
      {asksTyping && (
        <Field
          label={text('confirm.type', { path: destination.path })}
          why={text('confirm.typeWhy')}
          value={typed}
          onChange={setTyped}
        />
      )}
      {asksPassphrase && (
        <Field
          label={text('confirm.passphrase')}
          why={text('confirm.passphraseWhy')}
          value={passphrase}
          onChange={setPassphrase}
          type="password"
        />
      )}
      <p className="soft">{text('confirm.recheck')}</p>
      <p role="status">{isStarting ? text('app.working') : ''}</p>
    </Screen>
  );
}

function Erased({ destination }: { readonly destination: PlannedDisk }): ReactElement {
  const { path, model, serial, bus, sizeBytes, content } = destination;
  const tree: Pick<DeviceTree, 'content' | 'children'> | undefined = useWizardState(({ devices }) =>
    findDevice(devices?.trees ?? [], path),
  );
  const holds = holdsData(content) ? erasedText({ content, children: tree?.children ?? [] }) : text('confirm.holdsNothing');
  return (
    <section className="box bad">
      <h2>{text('confirm.erase')}</h2>
      <p className="big-disk breakable">{[path, model, bytesText(sizeBytes)].filter((part) => part !== null).join(' · ')}</p>
      <Facts
        facts={[
          ...(serial === null ? [] : [[text('confirm.serial'), serial] as const]),
          ...(bus === null ? [] : [[text('confirm.bus'), busText(bus)] as const]),
          [text('confirm.holds'), holds],
        ]}
      />
    </section>
  );
}

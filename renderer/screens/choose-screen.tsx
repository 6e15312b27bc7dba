/** Source and destination are chosen in the same way: from the machine's disks, and never for the person. */
import type { ReactElement } from 'react';
import { ActionButton } from '../components/action-button.tsx';
import { DeviceTree } from '../components/device-tree.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { isBusy } from '../state/wizard-state.ts';
import { text } from '../text/text.ts';
import { Screen } from './screen.tsx';

export function SourceScreen(): ReactElement {
  const wizard = useWizard();
  const source = useWizardState((state) => state.choice.source);
  // What the destination may be hangs on the source.
  const choose = (path: string | null): void => void wizard.choose({ source: path, destination: null });
  return (
    <Screen
      title={text('source.title')}
      lead={text('source.lead')}
      actions={
        <>
          <ActionButton onPress={() => wizard.go({ at: 'start' })}>{text('actions.back')}</ActionButton>
          <ActionButton
            kind="main"
            isDisabled={source === null}
            onPress={() => wizard.go({ at: 'destination' })}
          >
            {text('actions.next')}
          </ActionButton>
        </>
      }
    >
      <Devices role="source" onChoose={choose} />
    </Screen>
  );
}

export function DestinationScreen(): ReactElement {
  const wizard = useWizard();
  const destination = useWizardState((state) => state.choice.destination);
  return (
    <Screen
      title={text('destination.title')}
      lead={text('destination.lead')}
      actions={
        <>
          <ActionButton onPress={() => wizard.go({ at: 'source' })}>{text('actions.back')}</ActionButton>
          <ActionButton kind="main" isDisabled={destination === null} onPress={() => void wizard.showPlan()}>
            {text('actions.next')}
          </ActionButton>
        </>
      }
    >
      <Devices role="destination" onChoose={(path) => void wizard.choose({ destination: path })} />
    </Screen>
  );
}

interface DevicesProps {
  readonly role: 'source' | 'destination';
  readonly onChoose: (path: string | null) => void;
}

function Devices({ role, onChoose }: DevicesProps): ReactElement {
  const wizard = useWizard();
  const devices = useWizardState((state) => state.devices);
  const choice = useWizardState((state) => state.choice);
  const lost = useWizardState((state) => state.lost);
  const isLooking = useWizardState((state) => isBusy(state, 'devices'));
  return (
    <>
      <RefusalOf errand="start" />
      <RefusalOf errand="devices" />
      <p className={lost === null ? '' : 'box amber'} role="status">
        {lost === null ? '' : text('device.lost', { path: lost })}
      </p>
      {devices !== null && devices.trees.length > 0 && (
        <DeviceTree
          role={role}
          trees={devices.trees}
          chosen={choice[role]}
          source={choice.source}
          onChoose={onChoose}
        />
      )}
      {devices?.trees.length === 0 && <p>{text('source.none')}</p>}
      <div className="row">
        <ActionButton isBusy={isLooking} onPress={() => void wizard.refreshDevices()}>
          {text('actions.refresh')}
        </ActionButton>
        <span className="soft" role="status">
          {isLooking ? text('source.looking') : ''}
        </span>
      </div>
      {devices?.notes.map((note) => (
        <p key={note} className="soft">
          {note}
        </p>
      ))}
    </>
  );
}

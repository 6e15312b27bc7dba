/** What will happen, before anything does: layouts, way, what it takes, which disk is the truth, until when one can go back. */
import type { ReactElement, ReactNode } from 'react';
import { useState } from 'react';
import type { Plan, Way } from '../../app/contract/plan.ts';
import type { ServiceResult } from '../../app/contract/service.ts';
import { ActionButton } from '../components/action-button.tsx';
import { CheckBox, Field, SpeedChoice } from '../components/fields.tsx';
import { Facts } from '../components/facts.tsx';
import { LayoutBars } from '../components/layout-bars.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { findDevice } from '../state/choice.ts';
import { isBusy } from '../state/wizard-state.ts';
import { bytesText, planRangeText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { Screen } from './screen.tsx';

type Planned = ServiceResult<'plan'>;

export function PlanScreen(): ReactElement {
  const wizard = useWizard();
  const planned = useWizardState((state) => state.planned);
  const isPlanning = useWizardState((state) => isBusy(state, 'plan'));
  const hasExpired = useWizardState((state) => state.refusals.start?.code === 'plan-expired');
  const shown = useLastPlan(planned);
  const partState = planned !== null ? 'current' : isPlanning ? 'outdated' : 'refused';
  return (
    <Screen
      title={text('plan.title')}
      lead={text('plan.lead')}
      actions={
        <>
          <ActionButton onPress={() => wizard.go({ at: 'destination' })}>{text('actions.back')}</ActionButton>
          <ActionButton kind="main" isDisabled={planned === null} onPress={() => wizard.go({ at: 'confirm' })}>
            {text('actions.next')}
          </ActionButton>
        </>
      }
    >
      <p role="status">{isPlanning ? text('plan.making') : planned !== null && hasExpired ? text('plan.expired') : ''}</p>
      <RefusalOf errand="plan" />
      <RefusalOf errand="start" />
      <NoJournalChoice />
      {shown !== null && (
        <>
          <PlanPart state={partState}>
            <PlanText {...shown} />
          </PlanPart>
          <Options way={shown.plan.way} />
          <PlanPart state={partState}>
            <Truth plan={shown.plan} />
            <CutOver plan={shown.plan} />
          </PlanPart>
        </>
      )}
    </Screen>
  );
}

/** What was shown last, since this screen came: another choice makes another plan of the same disks. */
function useLastPlan(planned: Planned | null): Planned | null {
  const [last, setLast] = useState(planned);
  if (planned !== null && planned !== last) setLast(planned);
  return planned ?? last;
}

interface PlanPartProps {
  /** `outdated`: another plan is being made, and this one says nothing that holds. */
  readonly state: 'current' | 'outdated' | 'refused';
  readonly children: ReactNode;
}

function PlanPart({ state, children }: PlanPartProps): ReactElement | null {
  if (state === 'refused') return null;
  return (
    <div className={`plan-part ${state}`} aria-busy={state === 'outdated'}>
      {children}
    </div>
  );
}

/** The one refusal that a person can answer for. */
function NoJournalChoice(): ReactElement | null {
  const wizard = useWizard();
  const allows = useWizardState((state) => state.choice.allowsNoJournal);
  const isRefused = useWizardState((state) => state.refusals.plan?.code === 'no-journal-yet');
  if (!isRefused && !allows) return null;
  return (
    <CheckBox
      isSelected={allows}
      onChange={(allowsNoJournal) => void wizard.choose({ allowsNoJournal })}
      label={text('plan.noJournal')}
      why={text('plan.noJournalWhy')}
    />
  );
}

function PlanText({ plan, notes }: Planned): ReactElement {
  const source = useWizardState((state) => findDevice(state.devices?.trees ?? [], plan.source.path));
  return (
    <>
      <section>
        <h2>{text('plan.layout')}</h2>
        <LayoutBars plan={plan} source={source} />
      </section>
      <Warnings messages={[...plan.warnings.map(({ message }) => message), ...notes]} />
      <section>
        <h2>{text('plan.how')}</h2>
        <p>{text(`plan.way.${wayWords(plan)}`)}</p>
        <p>{text('plan.mode')}</p>
        <PlanFacts plan={plan} />
      </section>
    </>
  );
}

function wayWords({ way, usesDeviceMapper }: Plan): Way | 'attachMapped' | 'remountMapped' {
  return usesDeviceMapper && way !== 'live' ? `${way}Mapped` : way;
}

function CutOver({ plan }: { readonly plan: Plan }): ReactElement {
  return (
    <section>
      <h2>{text('plan.cutOver')}</h2>
      <ol>
        {plan.cutOver.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
    </section>
  );
}

function Warnings({ messages }: { readonly messages: readonly string[] }): ReactElement | null {
  if (messages.length === 0) return null;
  return (
    <section className="box amber">
      <h2>{text('plan.warnings')}</h2>
      <ul>
        {[...new Set(messages)].map((message) => (
          <li key={message} className="breakable">
            {message}
          </li>
        ))}
      </ul>
    </section>
  );
}

function PlanFacts({ plan }: { readonly plan: Plan }): ReactElement {
  const { copy, duration, memoryBytes, journalBytes, stateDirectory, mounts, mappedUsers } = plan;
  const size = copy.bytes === null ? text('plan.all') : bytesText(copy.bytes);
  const uses = [...mounts.map(({ target }) => target), ...mappedUsers.map(({ name }) => name)];
  return (
    <Facts
      facts={[
        [text('plan.copied'), `${copy.exact ? size : text('plan.copiedAbout', { size })}. ${copy.reason}`],
        [text('plan.takes'), planRangeText(duration)],
        ...(uses.length === 0 ? [] : [[text('plan.uses'), uses.join(', ')] as const]),
        [text('plan.memory'), bytesText(memoryBytes)],
        [text('plan.journal'), text('plan.journalIn', { size: bytesText(journalBytes), folder: stateDirectory })],
      ]}
    />
  );
}

function Options({ way }: Pick<Plan, 'way'>): ReactElement {
  const wizard = useWizard();
  const { verifies, speed, units } = useWizardState((state) => state.choice);
  return (
    <section>
      <h2>{text('plan.options')}</h2>
      <CheckBox
        isSelected={verifies}
        onChange={(isSelected) => void wizard.choose({ verifies: isSelected })}
        label={text('plan.verify')}
        why={text('plan.verifyWhy')}
      />
      <SpeedChoice speed={speed} onChange={(value) => void wizard.choose({ speed: value })} />
      {way === 'remount' && (
        <Field
          label={text('plan.units')}
          why={text('plan.unitsWhy')}
          defaultValue={units.join(' ')}
          onChange={(names) => void wizard.choose({ units: names.split(/\s+/).filter((name) => name !== '') })}
        />
      )}
    </section>
  );
}

function Truth({ plan }: { readonly plan: Plan }): ReactElement {
  return (
    <section>
      <h2>{text('plan.truth')}</h2>
      <ol className="phases">
        {plan.phases.map(({ phase, truth, meaning }) => (
          <li key={phase}>
            <strong>{text(`plan.phases.${phase}`)}</strong>
            <span className={`truth ${truth}`}>{text(`plan.truths.${truth}`)}</span>
            <span className="soft">{meaning}</span>
          </li>
        ))}
      </ol>
      <p>{text('plan.undo')}</p>
    </section>
  );
}

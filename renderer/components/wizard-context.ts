/** React's thin adapter to the wizard: its store's state, and its methods. */
import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import { present } from '../../app/base/error.ts';
import type { Wizard } from '../state/wizard.ts';
import type { WizardState } from '../state/wizard-state.ts';

export const WizardContext = createContext<Wizard | null>(null);

export function useWizard(): Wizard {
  return present(useContext(WizardContext), 'every component is below the wizard');
}

/** @param select a part of the state; what it returns must stay the same while that part does */
export function useWizardState<Part>(select: (state: WizardState) => Part): Part {
  return useStore(useWizard().store, select);
}

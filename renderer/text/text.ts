/**
 * The words of the wizard in the language of the person: `text('plan.title')`. Keys are checked by the compiler.
 * Numbers and times have their own words (figures.ts).
 */
import i18next from 'i18next';
import { english } from './english.ts';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof english };
    returnNull: false;
  }
}

const words = i18next.createInstance();

// All resources are here already, so this is done when it returns.
void words.init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: english } },
  initAsync: false,
  // React escapes what it shows.
  interpolation: { escapeValue: false },
});

export const text = words.t;

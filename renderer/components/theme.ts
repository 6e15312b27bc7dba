/** Colours for what is drawn rather than styled, from the style sheet's tokens; they change with the system's setting. */
import { useEffect, useState } from 'react';

const settings = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)'];

/** A number that is another one after each change of the system's colours: draw anew then. */
export function useThemeVersion(): number {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const queries = settings.map((query) => window.matchMedia(query));
    const change = (): void => setVersion((before) => before + 1);
    for (const query of queries) query.addEventListener('change', change);
    return () => queries.forEach((query) => query.removeEventListener('change', change));
  }, []);
  return version;
}

export function token(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(`--${name}`).trim();
}

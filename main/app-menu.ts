/** The window's menu: what people need, and none of the tools of those who build pages. */
import type { MenuItemConstructorOptions } from 'electron';

export const appMenu: readonly MenuItemConstructorOptions[] = [
  { label: 'File', submenu: [{ role: 'close' }, { role: 'quit' }] },
  { role: 'editMenu' },
  {
    label: 'View',
    submenu: [
      { role: 'reload' },
      { type: 'separator' },
      { role: 'resetZoom' },
      { role: 'zoomIn' },
      { role: 'zoomOut' },
      { type: 'separator' },
      { role: 'togglefullscreen' },
    ],
  },
];

// What the page shows. Text goes in as text, never as HTML.
import type { Config } from './config';

const NAME = '${{ values.name }}';

export function renderPage(root: HTMLElement, config: Config): void {
  root.replaceChildren(line('h1', NAME), line('p', `Environment: ${config.environment}`));
}

export function renderFailure(root: HTMLElement): void {
  root.replaceChildren(line('h1', NAME), line('p', 'The page could not be loaded. Try again in a minute.'));
}

function line(tag: 'h1' | 'p', text: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

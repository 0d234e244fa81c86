import './style.css';
import { loadConfig } from './config';
import { renderFailure, renderPage } from './page';

const root = document.querySelector<HTMLElement>('#page');
if (root) {
  loadConfig().then(
    config => renderPage(root, config),
    (error: unknown) => {
      console.error(error);
      renderFailure(root);
    },
  );
}

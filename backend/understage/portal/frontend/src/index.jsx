import '@backstage/ui/css/styles.css';
import { createRoot } from 'react-dom/client';
import { createApp } from '@backstage/frontend-defaults';

createRoot(document.getElementById('root')).render(createApp().createRoot());

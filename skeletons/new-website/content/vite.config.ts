import { defineConfig } from 'vitest/config';

export default defineConfig({
  build: {
    // Files of their own, whatever their size: the content security policy takes nothing from within the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts'],
  },
});

// Builds the five pages into dist, with hashed assets; the node embeds them. `npm run dev` serves them against a running node.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const PAGES = ['index', 'visitor', 'desk', 'boards', 'wall'];
const node = process.env.CONVERSA_URL ?? 'http://127.0.0.1:8080';

/** The node serves /desk from desk.html; the development server does the same. */
function pretty(): Plugin {
  return {
    name: 'conversa-pages',
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const page = /^\/(visitor|desk|boards|wall)(\?.*)?$/.exec(request.url ?? '');
        if (page) request.url = `/${page[1]}.html${page[2] ?? ''}`;
        next();
      });
    },
  };
}

export default defineConfig({
  plugins: [svelte({ emitCss: true }), pretty()],
  build: {
    target: 'es2022',
    // The page's policy knows no inline script, and data: only for images: everything is a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: Object.fromEntries(PAGES.map((page) => [page, `${page}.html`])) },
  },
  server: {
    proxy: { '/v1': { target: node, ws: true }, '/metrics': node, '/readyz': node, '/livez': node },
  },
});

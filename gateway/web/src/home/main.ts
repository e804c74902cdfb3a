// The page home.

import { start } from '../ui/page';
import Home from './Home.svelte';

start(Home);

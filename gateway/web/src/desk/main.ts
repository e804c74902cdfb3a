// The page desk.

import { start } from '../ui/page';
import Desk from './Desk.svelte';

start(Desk);

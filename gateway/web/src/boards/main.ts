// The page boards.

import { start } from '../ui/page';
import Boards from './Boards.svelte';

start(Boards);

// The page wall.

import { start } from '../ui/page';
import Wall from './Wall.svelte';

start(Wall);

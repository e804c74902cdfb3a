// The page visitor.

import { start } from '../ui/page';
import Visitor from './Visitor.svelte';

start(Visitor);

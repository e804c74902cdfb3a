// The time, for countdowns and waiting times: changes every second while somebody looks.

class Clock {
  now = $state(Date.now());

  constructor() {
    window.setInterval(() => {
      if (document.visibilityState === 'visible') this.now = Date.now();
    }, 1_000);
  }
}

export const clock = new Clock();

export default {
  compilerOptions: { runes: true },
  // What the compiler finds wrong about accessibility is wrong.
  onwarn: (warning, report) => {
    report(warning);
  },
};

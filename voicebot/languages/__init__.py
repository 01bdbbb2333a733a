"""All that depends on the language: one TOML file for each, and its loader. README.md says how to add one."""

"""The stages that hear, think and speak: one folder a stage, one file an engine."""

"""The schema's versions and the migrations that lead from one version to the next."""

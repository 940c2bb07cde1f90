"""``python -m ml_workflows`` is the command ``ml-workflows``."""

from ml_workflows.cli.main import main

main()

"""What is wrong with a deployment, and how to mend it: `machine.py` and `repositories/diagnostics/inspection.py`
gather facts,
`judgement.py` and `judgement_of_database.py` judge them, purely."""

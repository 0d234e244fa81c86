"""The job ${{ values.name }}."""

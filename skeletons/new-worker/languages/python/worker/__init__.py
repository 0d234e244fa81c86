"""The worker ${{ values.name }}."""

"""The HTML report of one campaign: what the database is asked, and the page made of it. It changes
nothing."""

"""What people read of a ledger: CSV file, workbook, HTML report, job files and next steps."""

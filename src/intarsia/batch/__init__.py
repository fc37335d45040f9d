"""Many pictures: jobs, their ledger, and the processes or machines that do them."""

"""A folder of specs on localhost: their reports and differences, live as files are saved."""

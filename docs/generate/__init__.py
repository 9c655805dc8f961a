"""The pages of documentation that are derived from archc's own definitions, and the folder of pages
that the generator of the site reads: `python -m docs.generate FOLDER`."""

"""The doors: build a record, call the library, show and write what came out. No logic of editing lives here."""

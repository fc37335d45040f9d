"""What an edit leaves on the disk: pictures, their documents, drawings of where it worked; and how they are read back."""

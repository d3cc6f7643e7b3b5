"""What programs call Haiku for, beside its layers: its arguments, signatures and errors, on what the core and `engine` do."""

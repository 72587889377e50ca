"""What a network is made of: its state, its passes, and how it prints."""

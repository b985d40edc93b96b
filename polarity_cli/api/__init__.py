"""The program as Python programs import it: what `polarity_cli` offers by name lives here, and stands on the verbs."""
